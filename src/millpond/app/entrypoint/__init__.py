"""From a command line, the configuration and the folder to the application that a command works on."""
