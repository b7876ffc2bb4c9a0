"""Campaigns: batches of runs of several clones at several scales, whose best run at the target scale is wanted.

campaign   Campaign: what is varied, where, and which batch is next
records    Scale, Tried, Proposed, Batch: where, at which cost; runs that were done, and that may be next
next_step  next_step, NextStep: the answer, with all that it depends on
reading    read_campaign, read_tried: a file of a campaign, and a table of its runs
faults     what keeps a campaign from being planned
beliefs    what the runs so far say of the parameters of every clone
rows       many runs of one plan at once: the goal of each, and its derivatives
"""

from graycell.campaigns.campaign import Campaign
from graycell.campaigns.next_step import NextStep, next_step
from graycell.campaigns.reading import read_campaign, read_tried
from graycell.campaigns.records import Batch, Proposed, Scale, Tried

__all__ = ["Batch", "Campaign", "NextStep", "Proposed", "Scale", "Tried", "next_step", "read_campaign", "read_tried"]
