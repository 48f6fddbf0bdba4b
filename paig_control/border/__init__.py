"""What comes from outside, where it enters: files, pictures, arrays and environments of others."""
