"""The UDP port of a worker: batch socket calls, demultiplexing, ICE-lite, DTLS-SRTP."""
