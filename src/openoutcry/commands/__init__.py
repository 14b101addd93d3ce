"""What each command of `outcry` does; imported when it is called."""
