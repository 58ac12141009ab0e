"""What has a key and a name but no numbers: commodities and regions."""

from optimizer.units import Described


class Commodity(Described):
    """A material at one stage; its key is its name, all else is text."""


class Region(Described):
    """A region that other objects name; its key is what they write, its name is what is printed."""
