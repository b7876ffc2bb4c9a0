"""Campaigns: batches of runs of several clones at several scales, whose best run at the target scale is wanted.

campaign   Campaign, Scale, Tried, Proposed: what is varied, where, at which cost, and which batch is next
beliefs    what the runs so far say of the parameters of every clone
rows       many runs of one plan at once: the goal of each, and its derivatives
"""

from graycell.campaigns.campaign import Campaign, Proposed, Scale, Tried

__all__ = ["Campaign", "Proposed", "Scale", "Tried"]
