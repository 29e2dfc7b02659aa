# What `setup.py` makes of the module beside it: see service/compiled.py.

from service.domain.contacts cimport Contact

cdef class KeptContacts:
    cdef public dict contacts, sources
    cdef public object _closed, _linger_ms, _packed, opened
    cdef public set changed, gone
    cpdef find(self, contact_id)
    cpdef open(self, contact_id, name, at_ms, horizon_ms)
    cpdef line_up(self, Contact contact)
    cpdef _pack(self, name, newest_ms)
    cpdef _outlived(self, record)
