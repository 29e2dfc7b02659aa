# What `setup.py` makes of the module beside it: see service/compiled.py.

from service.domain.steps cimport Change, Steps

cdef class AgentTimeline(Steps):
    cdef public object corrected, record, stale
    cpdef take_leg(self, moved, Change change)
    cpdef take_event(self, event, Change change)
    cpdef _step(self, event, Change change)
    cpdef _count_from(self, at_ms, phase, sign, Change change)
