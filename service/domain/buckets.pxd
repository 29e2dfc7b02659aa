# What `setup.py` makes of the module beside it: see service/compiled.py.

cdef class Buckets:
    cdef public bint _live
    cdef public dict _closed, _dirty_intervals, _dirty_panes, _unsettled
    cdef public list _warm
    cdef public object _admission, _floor, _followed_ms, _from_ms, _known, _partition, _partitions, _reached_ms, _to_ms
    cdef public object calendars, mark, scopes
    cdef public set _dirty_forecasts, _dirty_live, _dirty_plans, _dirty_recent, _dirty_sources, _dirty_stretches, _gone
    cpdef list _buckets(self, scope, at_ms, arrival_ms)
    cpdef list _find_buckets(self, scope, at_ms, arrival_ms)
    cpdef _add_live(self, scope, at_ms, list totals)
    cpdef _new_pane(self, scope, number)
    cpdef _interval_at(self, scope, at_ms)
    cpdef _interval(self, scope, start_ms)
    cpdef _warm_up(self, scope)
