# What `setup.py` makes of the module beside it: see service/compiled.py.

from service.domain.buckets cimport Buckets

cdef class StateFeed(Buckets):
    cdef public dict _dirty_visits, _new_visits
    cdef public object _marked, _returning
