"""A crash of this lab is one: a process that works on the application's outbox gets SIGKILL at the seam in question."""
