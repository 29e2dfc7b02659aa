"""The slow truth: every KPI computed from the whole log at once, by sorting, for the product to be compared with.

It is written from interface.md and domain.md, knows plain dictionaries (the canonical events), and imports nothing of
the product; `tests/unit/test_architecture.py` checks that. Nothing is kept up to date here: each question is answered
from all events that were told, sorted by the time at which they happened.

`house` is the configuration, `intake` decides which records of the log count, `stays`, `legs` and `contacts` tell what
a contact's events come to, `agents` an agent's states over time, `figures` turns that into KPIs, `floor` answers for a
queue, an agent or a roll-up in any window, `watch` what must not be open any more.

Rules that interface.md leaves open, as the product has them (each also stands where it is applied):

1. Of several events of one kind about one visit or leg the earliest counts; of several endings of a visit the
   earliest, at the same time in the order answered, abandoned, flowed out, callback, cancelled. Each further ending
   that differs from the one that stood when it came is a conflict; the same one told again may say more, and of two
   waits the shorter counts.
2. A visit still open when its contact ends was abandoned, or cancelled if the agent or the system ended the contact,
   with a wait up to then; an ending told of the visit itself replaces that whenever it comes.
3. Only events of the visit end a visit: a leg that is answered does not.
4. A leg that was both missed and answered was answered. One whose end is told and whose answer is not was answered
   its stated durations before that end; ringing alone is no answer.
5. An answer of a visit that names an agent and no leg is that of the agent's first leg there that was not missed.
6. A missed offer of a consultation counts as missed; its answer counts nowhere, its end as `consulted`.
7. An offer is over at its answer, its miss, the leg's end or the contact's end, not when the visit leaves.
8. A leg came by transfer if its visit did, or if another leg of the contact was transferred no later than it began.
9. A hold or a conference told again for the same moment is the same one; one told for another moment counts, and a
   hold told while on hold lengthens nothing. A conference leg counts by the parties that joined.
10. An agent's own events more than a minute behind the newest settled ones are late; see `intake.kept_minute`.
11. An agent serves the queues of its memberships, else those whose contacts were offered. A pause in single queues
    makes the agent not ready once all queues served, and those told of, are paused. An offer that is taken back by a
    correction leaves its queue served (`Agent.hinted`); one heard of late does not change the agent's settled past
    (`Agent.blurred`).
12. Where waits count open time, a stated wait tells only when a visit came that nobody told of. An opening begins and
    ends when the clock on the wall first shows its time or a later one. What a contact waited in other queues before
    (`Stay.before_ms`) is elapsed time.
13. Where nobody is seen to leave, whoever abandons has cancelled, for the reason `abandoned`.
14. A visit has the class that its customer was last moved to, of moves of the same time the one whose name sorts last,
    if that was no later than the visit's end; else the class it states, else the one `contact.started` states, of
    several the one that sorts first. A leg has the class of its visit. A move that a partition hears of once a contact
    is forgotten does not change that contact.
15. What the watchdog closes counts where the source said nothing: a visit as cancelled, an offer as missed, a call or
    after-call work as over. An end told more than ten seconds after the agent's next contact, or being ready, proved
    that it was over is taken for somebody else's, and is a conflict, unless it states the talk.
16. A quantile q of n values is the one of rank floor(q x (n - 1)), the smallest having rank 0.
"""
