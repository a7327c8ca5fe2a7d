"""This module owns signing in with an OpenID provider: what it is asked, and who it says one is."""
