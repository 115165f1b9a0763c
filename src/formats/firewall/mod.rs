//! Logs of firewalls and connection trackers.
