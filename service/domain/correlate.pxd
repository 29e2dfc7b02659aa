# What `setup.py` makes of the module beside it: see service/compiled.py.

cimport cython

from service.domain.contact_watch cimport ContactWatch
from service.domain.contacts cimport Contact
from service.domain.contacts_kept cimport KeptContacts

cdef class CorrelateStore:
    cdef public ContactWatch _watch
    cdef public KeptContacts _kept
    cdef public dict _heard, contacts
    cdef public list _copies, _made
    cdef public object _customer_keys, _customers, _extra_weight, _floor, _linger_ms, _marked, _max_skew_ms, _recovering
    cdef public object is_home, mark
    cpdef list take(self, bytes raw, received_ms, offset)
    cpdef list apply(self, event, received_ms)
    @cython.locals(contact=Contact, kept=KeptContacts, facts=list)
    cpdef list _contact(self, event, at_ms, source)
