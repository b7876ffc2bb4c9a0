"""Following: what a running culture is, what it will be, and how to go on, from a fit and its samples so far.

signals      signals of probes as samples: each with its own error and delay, thinned
following    follow
followed     Followed: the culture now, its forecast, and the rest of its plan
filtering    filtered: an extended Kalman filter, at every value of a signal
watching     follow again whenever files change
"""

from graycell.following.filtering import Filtered, filtered
from graycell.following.followed import Followed
from graycell.following.following import follow
from graycell.following.signals import with_signals

__all__ = ["Filtered", "Followed", "filtered", "follow", "with_signals"]
