"""Producers, consumers and the fan-out between them. Pure and synchronous: the worker's engine owns sockets and clocks.

How the engine drives it (`now` is its monotonic clock, in seconds, everywhere):

Once per worker:
    `pool = PacketPool()`, `table = FanoutTable()`, `ports = PortTable()`, `drops = Counter()`,
    `egress = Egress(pool, table, ports, drops)`,
    `batch = ForwardBatch(pool)`.
Per transport:
    `publisher = Publisher(pool, local_ssrc, drops)` for what the peer sends;
    `subscriber = Subscriber(ports, ports.allocate(), local_ssrc, drops)` for what it receives (`close`, then
    `ports.release`).
Per producer and consumer:
    `producer = Producer(producer_id, parameters, pool, table, paused=False)`; `publisher.add_producer(producer, now)`;
    `consumer = Consumer(parameters, producer, subscriber.port, first_seq, first_rtx_seq)`;
    `subscriber.add_consumer(consumer, now)`; `consumer.start(payload_types, now)` once the transport is connected and
    the peer has answered; `consumer.set_paused(paused, now)` for its viewer, `producer.set_paused(paused, now)` for
    its owner or a host; at the end `publisher.remove_producer(id, now)` and
    `subscriber.remove_consumer(id, now)`, which returns a compound with its BYE. A producer that is removed leaves its
    consumers silent: they are removed one by one.

Per wake-up of the socket:
    first, count = pool.reserve(n); recvmmsg into rows first..first+count-1 at column HEADROOM; pool.commit(received)
    per RTP datagram:  reason = publisher.admit(slot, HEADROOM, length)          before decryption
                       unprotect in place
                       reason = publisher.receive(slot, HEADROOM, plain_length, now, batch)
                       (a reason that is not None is the name under which the packet is counted as not forwarded)
    per SRTCP datagram, decrypted: subscriber.on_reports(reports, now) where `sfu.rtp.reports` could read it and the
                       peer publishes nothing; otherwise parsed: publisher.on_rtcp(packets, now) and
                       actions = subscriber.on_rtcp(packets, now); for producer in actions.keyframe_requests:
                       producer.request_keyframe(now); retransmissions += actions.retransmissions
    for rows in egress.build(batch, now): protect and send rows 0..rows-1 of `egress.data` (`egress.length`, and
                       `egress.ports()`, the destination's index in `ports`, or `egress.blocks`, which tells the same
                       without a look at each row); the batch is empty afterwards
    for rows in egress.build_retransmissions(retransmissions, now): the same
    Between two recvmmsg of one wake-up nothing may take the rows away again: receive at most `pool.slots` datagrams
    before `build`.
Timers:
    `publisher.next_due()` and `subscriber.next_due()` say when `poll(now)` has something to send (inf: nothing);
    `poll` returns compounds to be sent as SRTCP. Ask again after each wake-up or command that touched them: received
    packets, `request_keyframe`, a consumer that starts or resumes or a producer that resumes (its publisher may become
    due at once, for a keyframe), a consumer added. `subscriber.wake(now)` when a consumer may have begun to send,
    and when its publisher has sent a sender report that it lacks (`subscriber.lacks_report(consumer)`).
"""
