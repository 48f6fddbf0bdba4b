"""Pictures, films and the page that shows them: people believe what they can look at."""
