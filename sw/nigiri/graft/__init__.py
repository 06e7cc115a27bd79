"""Graft: a server for the rear parts of many clients' SubNets, re-aligned so that they share layers and batch there."""
