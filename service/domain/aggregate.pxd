# What `setup.py` makes of the module beside it: see service/compiled.py.

cimport cython

from service.domain.agents cimport AgentTimeline
from service.domain.settling cimport SettledFeed
from service.domain.steps cimport Change

cdef class AggregateStore(SettledFeed):
    cdef public Change _change
    cdef public dict _apply
    cdef public list _follows, _following
    cdef public object _moving, _watch
    @cython.locals(found=list)
    cpdef _offered(self, fact)
    @cython.locals(found=list)
    cpdef _answered(self, fact)
    @cython.locals(found=list)
    cpdef _left(self, fact)
    @cython.locals(found=list)
    cpdef _rang(self, fact)
    @cython.locals(found=list)
    cpdef _handled(self, fact)
    @cython.locals(found=list)
    cpdef _after_call(self, fact)
    @cython.locals(change=Change, timeline=AgentTimeline)
    cpdef _leg_moved(self, fact)
    @cython.locals(change=Change, timeline=AgentTimeline)
    cpdef _agent_input(self, fact)
    cpdef _add_time(self, since_ms, until_ms, what, sign)
    cpdef _note(self, agent, source)
    cpdef _first_heard(self, scope, visit_id, waiting)
    cpdef _wait(self, scope, visit_id, waiting, sign)
    cpdef _no_longer_waits(self, scope, visit_id, sign)
    cpdef _remember(self, scope, fact, outcome, reason)
