"""The live window: watch an agent think, and meddle with its world.

A session is a world and an agent that step in turn; it obeys commands and hands out pictures of its mind, frozen. A
loop runs it in a thread of its own, at the world's rate. The window draws the newest picture sixty times a second and
turns what the user does into commands. Only what draws imports pygame.
"""
