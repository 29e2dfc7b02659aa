# What `setup.py` makes of the module beside it: see service/compiled.py.

from service.domain.contacts_kept cimport KeptContacts

cdef class ContactWatch:
    cdef public KeptContacts _kept
    cdef public dict _most_of
    cdef public object _every_ms, _floor, _of_agent, _watched
    cpdef heard(self, event, record)
    cpdef _note(self, agent_id, contact_id)
