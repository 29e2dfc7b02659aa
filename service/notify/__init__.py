"""Telling people of alerts: Alertmanager and webhooks, without Faust and without an HTTP server.

What a receiver is still to be told follows from the alerts (`cti.alerts`) and from what it has confirmed
(`cti.notifications`), so nothing that a process remembers can be lost with it.
"""
