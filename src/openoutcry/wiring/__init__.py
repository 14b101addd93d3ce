"""The composition root: for each role, the objects it is made of, built and run.

One file for each role; `roles` finds it by name, so that nothing heavier than the settings is imported
before a role is known, and a feed does not carry a web server. `parts` are what several are made of.
"""
