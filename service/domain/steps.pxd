# What `setup.py` makes of the module beside it: see service/compiled.py.

cdef class Change:
    cdef public object add, corrected, duplicate, late, record
    cdef public set buckets

cdef class Steps:
    cdef public list starts, whats
    cdef public object noted
    cpdef count_from(self, at_ms, phase, sign, Change change)
    cpdef lay(self, since_ms, until_ms, own, Change change)
    cpdef _replace(self, index, after, Change change)
    cpdef _split(self, at_ms, Change change)
    cpdef _join(self, index, Change change)
