"""Input that is bad or odd, made on the fly: files of every kind, and damage to real photos."""
