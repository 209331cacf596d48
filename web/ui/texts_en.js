/**
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
function counted(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/**
 * "Ana", "Ana and Bo", "Ana, Bo and 3 others".
 *
 * @param {string[]} names
 * @param {number} count of all of them
 */
function people(names, count) {
  const rest = count - names.length;
  const parts = rest > 0 ? [...names, counted(rest, "other")] : names;
  return parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts[parts.length - 1]}`;
}

/** @param {number} seconds */
function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1) return `${Math.round(seconds)} s`;
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** What the page says. Another language has the same members (`Texts` in texts.js). */
export const english = {
  language: "en",
  duration,
  /** By the code of an error; what is not here is said in the server's own words. @type {Record<string, string>} */
  errors: {
    network: "The server cannot be reached.",
    timeout: "The server did not answer in time.",
    not_connected: "There is no connection to the server now.",
    connection_lost: "The connection was lost before the server answered.",
  },
  tryAgainIn: (/** @type {number} */ seconds) => `Try again in ${duration(seconds)}.`,
  cancel: "Cancel",
  close: "Close",
  you: (/** @type {string} */ name) => `${name} (you)`,
  roles: { host: "Host", cohost: "Co-host", guest: "Guest", viewer: "Viewer" },
  types: { camera: "Camera", screen: "Screen", audio: "Audio only" },
  sources: { camera: "Camera", microphone: "Microphone", screen: "Screen", screen_audio: "Screen audio" },
  viewers: (/** @type {number} */ count) => counted(count, "viewer"),
  guestsOnStage: (/** @type {number} */ count) => counted(count, "guest on stage", "guests on stage"),
  live: "Live",

  frame: { signOut: "Sign out" },

  signIn: {
    welcome: "Welcome to Greenroom",
    invited: "You are invited",
    hint: "Go live, or watch and come up on stage.",
    invitedHint: "Say who you are, then you are in.",
    name: "Your name",
    namePlaceholder: "Ana",
    go: "Continue",
    token: "Access token",
    tokenHint: "This server gives no tokens by name. Paste the one that its application gave you.",
    tokenGo: "Sign in",
    notAToken: "This is not an access token.",
  },

  lobby: {
    title: "Live now",
    hint: "Watch a session, or ask to join it on stage.",
    goLive: "Go live",
    search: "Search title or host",
    looking: "Looking for live sessions…",
    empty: "Nobody is live at the moment. Be the first.",
    notFound: (/** @type {string} */ words) => `No live session matches “${words}”.`,
    retrying: (/** @type {string} */ problem) => `${problem} Trying again…`,
    more: "Show more",
    order: "Order",
    orders: { started: "Newest", viewers: "Most viewers" },
    locked: "Locked",
    since: (/** @type {number} */ seconds) => (seconds < 60 ? "just started" : `for ${duration(seconds)}`),
    card: (/** @type {string} */ title, /** @type {string} */ host, /** @type {number} */ viewers, /** @type {number} */ guests) =>
      `${title}, by ${host}, ${counted(viewers, "viewer")}, ${counted(guests, "guest")}`,
  },

  goLive: {
    title: "Go live",
    preview: "Preview",
    name: "Title",
    namePlaceholder: "What is it about?",
    description: "Description",
    descriptionPlaceholder: "Optional",
    type: "Session type",
    allowGuests: "Guests allowed",
    allowGuestsHint: "Viewers can ask to come on stage.",
    requireApproval: "Approval needed",
    requireApprovalHint: "You let each guest in yourself.",
    start: "Start session",
    tryAgain: "Try again",
    goOnWithout: "Continue without",
    chooseScreen: "Choose what to share",
    asking: "Asking for your devices…",
    ready: (/** @type {string} */ devices) => `Ready: ${devices}`,
    withoutDevices: "You go live without camera and microphone.",
    toYourSession: "Go to your session",
  },

  room: {
    joining: "Joining…",
    copyLink: "Copy link",
    copied: "The link is copied.",
    shareThis: (/** @type {string} */ link) => `Share this link: ${link}`,
    reconnecting: "Connection lost. Reconnecting…",
    publishRefused: (/** @type {string} */ problem) => `What you send was refused: ${problem}`,
    soundNeedsTap: "Your browser wants a tap before it plays sound.",
    tapToHear: "Tap to hear",
    tryAgain: "Try again",
    onStage: "You are on stage.",
    nowCohost: "The host made you a co-host.",
    guestAgain: "You are a guest again.",
    viewerAgain: "You are back among the viewers.",
    wantsToJoin: (/** @type {string} */ name) => `${name} asks to come on stage.`,
    showRequests: "Show",
    stage: "Stage",
    side: "Chat and people",
    chatTab: "Chat",
    peopleTab: "People",
  },

  tiles: {
    screenOf: (/** @type {string} */ name) => `${name}'s screen`,
    lost: "Connection lost",
    off: { mic_off: "Microphone off", camera_off: "Camera off" },
    offByHost: { mic_off: "Microphone turned off by the host", camera_off: "Camera turned off by the host" },
  },

  controls: {
    label: "Controls",
    microphone: { text: "Mic", off: "Mute microphone", on: "Unmute microphone", locked: "Mic turned off by the host" },
    camera: { text: "Camera", off: "Turn camera off", on: "Turn camera on", locked: "Camera turned off by the host" },
    share: "Share",
    shareLabel: "Share your screen",
    stopSharing: "Stop sharing",
    stopSharingLabel: "Stop sharing the screen",
    leaveStage: "Leave stage",
    leave: "Leave",
    leaveLabel: "Leave session",
    end: "End",
    endLabel: "End session",
    endQuestion: "End the session?",
    endText: "It ends for everybody who is in it.",
  },

  ask: {
    title: "Come on stage",
    hint: "With your camera and microphone, if the host lets you in.",
    declined: "The host declined this time.",
    expired: "Nobody answered your request.",
    message: "Message to the host (optional)",
    placeholder: "Your message",
    ask: "Ask to join",
    again: "Ask again",
    closed: "This session takes no guests.",
    pending: "You asked to join",
    waiting: "Waiting for the host to let you in…",
    cancel: "Cancel request",
    invited: "You are invited on stage",
    invitedHint: "The host would like to see and hear you. Your camera and microphone go on when you accept.",
    accept: "Accept",
    decline: "Decline",
  },

  people: {
    requests: "Requests",
    noRequests: "Nobody is asking to join right now.",
    approve: "Approve",
    reject: "Reject",
    approveWhom: (/** @type {string} */ name) => `Approve ${name}`,
    rejectWhom: (/** @type {string} */ name) => `Reject ${name}`,
    approveAll: "Approve all",
    rejectAll: "Reject all",
    rejectAllQuestion: (/** @type {number} */ count) => `Reject ${count === 1 ? "the request" : `all ${count} requests`}?`,
    rejectAllText: "Everybody who is rejected waits a minute before they can ask again.",
    stillWaiting: (/** @type {number} */ count) => `The stage is full: ${counted(count, "request waits", "requests wait")}.`,
    waitsFor: (/** @type {number} */ seconds) => (seconds < 60 ? "just now" : duration(seconds)),
    stage: "On stage",
    viewers: "Viewers",
    muteAll: "Mute all",
    mutedAll: (/** @type {number} */ count) => (count === 0 ? "Everybody was muted already." : `${counted(count, "person", "people")} muted.`),
    connectionLost: (/** @type {string} */ name) => `${name} (connection lost)`,
    silenced: "Silenced in the chat",
    more: "More",
    moreAbout: (/** @type {string} */ name) => `More about ${name}`,
    banned: "Banned people",
    nobodyBanned: "Nobody is banned.",
    unban: "Lift ban",
    unbanWhom: (/** @type {string} */ name) => `Lift the ban of ${name}`,
    isBanned: (/** @type {string} */ name) => `${name} is banned.`,
    undo: "Undo",
    actions: {
      mute_audio: { text: "Mute", label: (/** @type {string} */ name) => `Mute microphone of ${name}` },
      unmute_audio: { text: "Unmute", label: (/** @type {string} */ name) => `Unmute microphone of ${name}` },
      mute_video: { text: "Hide", label: (/** @type {string} */ name) => `Turn off camera of ${name}` },
      unmute_video: { text: "Show", label: (/** @type {string} */ name) => `Turn on camera of ${name}` },
      silence: { text: "Silence", label: (/** @type {string} */ name) => `Silence ${name} in the chat` },
      unsilence: { text: "Let write", label: (/** @type {string} */ name) => `Let ${name} write in the chat` },
      promote: { text: "Make co-host", label: (/** @type {string} */ name) => `Make co-host: ${name}` },
      demote: { text: "Make guest", label: (/** @type {string} */ name) => `Make guest: ${name}` },
      remove_guest: { text: "Send back", label: (/** @type {string} */ name) => `Send back to the viewers: ${name}` },
      kick: { text: "Kick", label: (/** @type {string} */ name) => `Kick ${name}` },
      ban: { text: "Ban", label: (/** @type {string} */ name) => `Ban ${name}` },
      invite: { text: "Invite", label: (/** @type {string} */ name) => `Invite ${name} on stage` },
      uninvite: { text: "Take back", label: (/** @type {string} */ name) => `Take the invitation of ${name} back` },
    },
    kickQuestion: (/** @type {string} */ name) => `Kick ${name}?`,
    kickText: "They are disconnected at once and cannot come back to this session.",
    banQuestion: (/** @type {string} */ name) => `Ban ${name}?`,
    banText: "They are disconnected at once and come into none of this host's sessions until the ban is lifted.",
    banReason: "Reason (only moderators see it)",
  },

  settings: {
    title: "Settings",
    open: "Session settings",
    allow_guests: "Guests allowed",
    require_approval: "Approval needed",
    guest_audio_default: "Guests come up with sound",
    guest_video_default: "Guests come up with picture",
    enable_chat: "Chat",
    enable_gifts: "Gifts",
    locked: "Locked: nobody new comes in",
    slow_mode_s: "Slow mode",
    slowModes: (/** @type {number} */ seconds) => (seconds === 0 ? "Off" : `A message every ${duration(seconds)}`),
    max_guests: "Guests at most",
    max_participants: "People at most",
    closedGuestsText: "Requests and invitations that wait are taken back.",
    noGuestsQuestion: "Take no more guests?",
    noGuestsGo: "Take no guests",
  },

  chat: {
    label: "Chat",
    messages: "Messages",
    empty: "Nobody has said anything yet. Say hello.",
    placeholder: "Write a message",
    send: "Send",
    older: "Older messages…",
    olderFailed: "Older messages could not be read.",
    tryAgain: "Try again",
    newMessages: (/** @type {number} */ count) => counted(count, "new message"),
    sending: "Sending…",
    failed: (/** @type {string} */ problem) => `Not sent. ${problem}`,
    sendAgain: "Send again",
    discard: "Discard",
    deleted: "Message deleted",
    delete: "Delete",
    actions: (/** @type {string} */ name) => `Actions on the message of ${name}`,
    disabled: "The host has switched the chat off.",
    silenced: "You cannot write at the moment: a host has silenced you.",
    slow: (/** @type {number} */ seconds) => `Slow mode: you can write again in ${duration(seconds)}.`,
    slowOn: (/** @type {number} */ seconds) => `Slow mode: one message in ${duration(seconds)}.`,
    offline: "What you send goes out when the connection is back.",
    left: (/** @type {number} */ count) => counted(count, "character left", "characters left"),
    /** By the event of a system message. */
    system: {
      joined: (/** @type {string[]} */ names, /** @type {number} */ count) => `${people(names, count)} joined`,
      left: (/** @type {string[]} */ names, /** @type {number} */ count) => `${people(names, count)} left`,
      approved: (/** @type {string[]} */ names, /** @type {number} */ count) => `${people(names, count)} came on stage`,
      promoted: (/** @type {string[]} */ names, /** @type {number} */ count) => `${people(names, count)} is co-host now`,
      kicked: (/** @type {string[]} */ names, /** @type {number} */ count) => `${people(names, count)} was removed`,
    },
    gift: (/** @type {string} */ name, /** @type {string} */ gift, /** @type {number} */ quantity) =>
      quantity === 1 ? `${name} gave ${gift}` : `${name} gave ${quantity} × ${gift}`,
  },

  reactions: {
    label: "Reactions",
    /** @type {Record<string, string>} */
    names: { heart: "Heart", fire: "Fire", clap: "Applause", laugh: "Laughter", wow: "Wow", sad: "Sad" },
    react: (/** @type {string} */ name, /** @type {number} */ total) => (total ? `${name}, ${total} so far` : name),
  },

  gifts: {
    give: "Give something",
    quantity: "How many",
    send: (/** @type {number} */ value) => `Give for ${value.toLocaleString("en")}`,
  },

  ended: {
    /** By the reason of the end. @type {Record<string, string>} */
    reasons: {
      left: "You left the session.",
      kicked: "The host removed you from this session. You cannot come back to it.",
      banned: "The host of this session does not let you in.",
      session_not_found: "There is no such session.",
      session_ended: "The session has ended.",
      host_lost: "The session has ended: the host's connection was lost.",
      ended_by_operator: "The session was ended by the operator of this server.",
      replaced: "You opened this session somewhere else. It goes on there.",
      session_full: "The session is full.",
      session_locked: "The session is locked: nobody new comes in now.",
      forbidden: "Your invitation is for another session.",
      unsupported_protocol: "This page is out of date. Reload it.",
    },
    closed: (/** @type {string} */ reason) => `The connection was closed (${reason}).`,
    back: "Back to live sessions",
    again: "Continue here",
    stats: "The session in numbers",
    facts: {
      duration: "Time",
      unique_viewers: "Viewers",
      peak_viewers: "Most at once",
      guests: "Guests on stage",
      messages: "Messages",
      reactions: "Reactions",
      gifts: "Gifts",
      participation: "Took part",
      watch_time: "Watched on average",
    },
    percent: (/** @type {number} */ share) => `${Math.round(share * 100)} %`,
  },
};
