# What `setup.py` makes of the module beside it: see service/compiled.py.

cdef class Contact:
    cdef public dict said_of_visits
    cdef public list _class_facts, said_of_legs
    cdef public object _only, lined_up, record
    cdef public tuple _said_of_customer, said_of_journey
    cpdef apply(self, event, at_ms, floor, list facts)
    cpdef _visit(self, event, at_ms, floor, list facts)
    cpdef _visit_queued(self, visit, event, at_ms, floor)
    cpdef _visit_over(self, visit, event, at_ms, floor)
    cpdef _say_left(self, visit, at_ms, list facts)
    cpdef _leg_of_answer(self, visit)
    cpdef _leg(self, event, at_ms, list facts)
    cpdef find_leg(self, event)
    cpdef _say_visit(self, visit, list facts)
    cpdef _say_legs(self, list facts)
