() => {
  const publishing = new Map();
  const tones = new Map();
  let receiving = null;
  let offers = 0;

  const gathered = (pc) =>
    new Promise((resolve) => {
      const check = () => pc.iceGatheringState === "complete" && resolve();
      pc.addEventListener("icegatheringstatechange", check);
      check();
    });

  const fakeTracks = async () => {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 360 }, audio: true });
    return { video: stream.getVideoTracks()[0], audio: stream.getAudioTracks()[0] };
  };

  window.farEnd = {
    async answer({ connection_id, sdp }) {
      const id = connection_id ?? `publish-${publishing.size + 1}`;
      const pc = publishing.get(id) ?? new RTCPeerConnection();
      publishing.set(id, pc);
      await pc.setRemoteDescription({ type: "offer", sdp });
      await pc.setLocalDescription(await pc.createAnswer());
      await gathered(pc);
      return { connection_id: id, sdp: pc.localDescription.sdp };
    },

    /** Inbound statistics of a publish connection, by kind. */
    async inbound(id) {
      const found = {};
      const reports = (await publishing.get(id)?.getStats())?.values() ?? [];
      for (const report of reports) {
        if (report.type === "inbound-rtp") found[report.kind] = JSON.parse(JSON.stringify(report));
      }
      return found;
    },

    /** Offers one more section per kind, sound being silence until `speak`; `fresh` makes a new connection. */
    async offer(kinds, fresh) {
      if (fresh || !receiving) receiving = { id: `receive-${offers + 1}`, pc: new RTCPeerConnection(), sources: await fakeTracks() };
      const { id, pc, sources } = receiving;
      for (const kind of kinds) {
        const track = sources[kind].clone();
        track.enabled = kind === "video";
        pc.addTransceiver(track, { direction: "sendonly" });
      }
      await pc.setLocalDescription(await pc.createOffer());
      await gathered(pc);
      const mids = pc.getTransceivers().map((transceiver) => transceiver.mid);
      return { connection_id: id, offer_id: ++offers, sdp: pc.localDescription.sdp, mids };
    },

    accept(sdp) {
      return receiving.pc.setRemoteDescription({ type: "answer", sdp });
    },

    /** A tone in place of what a section with sound has sent; 0 is silence. */
    async speak(mid, volume) {
      const { sender } = receiving.pc.getTransceivers().find((transceiver) => transceiver.mid === mid);
      // Without a device for sound Firefox makes none itself; what it pretends to record is a tone of one loudness.
      if (navigator.userAgent.includes("Firefox")) {
        sender.track.enabled = volume > 0;
        return;
      }
      if (!tones.has(sender)) {
        const context = new AudioContext();
        const oscillator = context.createOscillator();
        const gain = context.createGain();
        const output = context.createMediaStreamDestination();
        oscillator.connect(gain).connect(output);
        oscillator.start();
        gain.gain.value = volume;
        tones.set(sender, gain);
        await sender.replaceTrack(output.stream.getAudioTracks()[0]);
      }
      tones.get(sender).gain.value = volume;
    },

    hangUp() {
      receiving.pc.close();
    },
  };
}
