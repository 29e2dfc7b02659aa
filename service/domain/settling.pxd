# What `setup.py` makes of the module beside it: see service/compiled.py.

from service.domain.state_feed cimport StateFeed

cdef class SettledFeed(StateFeed):
    cdef public object _settle_at_ms, _settling
