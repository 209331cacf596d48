/**
 * The values of docs/PROTOCOL.md as types. This module has no code.
 *
 * @typedef {"host" | "cohost" | "guest" | "viewer"} Role
 * @typedef {"camera" | "microphone" | "screen" | "screen_audio"} Source
 * @typedef {"audio" | "video"} Kind
 * @typedef {"camera" | "screen" | "audio"} SessionType
 * @typedef {"mute_audio" | "unmute_audio" | "mute_video" | "unmute_video" | "silence" | "unsilence" | "kick"
 *   | "promote" | "demote" | "remove_guest"} ManageAction
 *
 * @typedef {object} SessionSettings
 * @property {number} max_participants
 * @property {boolean} allow_guests
 * @property {boolean} require_approval
 * @property {number} max_guests
 * @property {boolean} enable_chat
 * @property {boolean} enable_gifts
 * @property {boolean} guest_audio_default
 * @property {boolean} guest_video_default
 * @property {number} slow_mode_s Seconds between two chat messages of one person; 0: no limit.
 * @property {boolean} locked Nobody new comes in.
 *
 * @typedef {object} Session
 * @property {string} id
 * @property {string} title
 * @property {string} description
 * @property {SessionType} session_type
 * @property {"live" | "ended"} status
 * @property {string} started_at
 * @property {string | null} ended_at
 * @property {string | null} end_reason
 * @property {string} host_user_id
 * @property {string} host_name
 * @property {SessionSettings} settings
 * @property {number} viewer_count
 * @property {number} guest_count
 *
 * @typedef {object} SourceState
 * @property {Source} source
 * @property {Kind} kind
 * @property {string} producer_id
 * @property {boolean} paused muted by its owner or locked by a host
 *
 * @typedef {object} Participant
 * @property {string} id
 * @property {string} user_id
 * @property {string} name
 * @property {Role} role
 * @property {boolean} connected
 * @property {string} joined_at
 * @property {boolean} audio_muted
 * @property {boolean} video_muted
 * @property {boolean} audio_locked
 * @property {boolean} video_locked
 * @property {boolean} chat_silenced true only for the participant, host and cohosts
 * @property {SourceState[]} sources
 *
 * @typedef {object} GuestRequest
 * @property {string} id
 * @property {string} session_id
 * @property {string} participant_id
 * @property {string} user_id
 * @property {string} name
 * @property {string} message
 * @property {"pending" | "approved" | "rejected" | "cancelled" | "expired"} status
 * @property {string} created_at
 * @property {string | null} answered_at
 * @property {"request" | "invitation"} kind
 * @property {string | null} invited_by user id of the host or cohost who asked a viewer up
 *
 * @typedef {object} Track
 * @property {string} mid
 * @property {string} participant_id
 * @property {string} producer_id
 * @property {Source} source
 * @property {Kind} kind
 *
 * @typedef {{type: string, id?: string, [member: string]: any}} Message What is said on the WebSocket, either way.
 *
 * @typedef {object} SystemData
 * @property {"joined" | "left" | "approved" | "promoted" | "kicked"} event
 * @property {string} user_id of the first whom it is about
 * @property {string} name theirs
 * @property {number} count how many people it is about
 * @property {string[]} names of up to three of them
 *
 * @typedef {object} GiftData
 * @property {string} gift_id
 * @property {string} gift_name
 * @property {string} icon an emoji, or the path of a picture
 * @property {number} quantity
 * @property {number} value of all of them, in the operator's unit
 *
 * @typedef {object} ChatMessage
 * @property {string} id
 * @property {string} session_id
 * @property {number} position grows within a session
 * @property {"message" | "system" | "gift"} kind
 * @property {string | null} participant_id
 * @property {string | null} user_id
 * @property {string | null} name
 * @property {string | null} text null for system messages and for those that were deleted
 * @property {any} data a `SystemData` or a `GiftData`, by `kind`
 * @property {string | null} client_id
 * @property {string} created_at
 * @property {string | null} deleted_at
 * @property {string | null} deleted_by
 *
 * @typedef {Record<string, number>} Counts reactions by type
 *
 * @typedef {object} CatalogueGift
 * @property {string} id
 * @property {string} name
 * @property {string} icon an emoji, or the path of a picture
 * @property {number} value of one
 *
 * @typedef {{id: string, session_id: string, participant_id: string, user_id: string, name: string, created_at: string}
 *   & GiftData} Gift
 *
 * @typedef {object} Ban
 * @property {string} host_user_id
 * @property {string} user_id
 * @property {string} session_id where it was made
 * @property {string} name
 * @property {string} reason
 * @property {string} banned_by
 * @property {string} created_at
 *
 * @typedef {object} SessionStats
 * @property {number} duration_s
 * @property {number} peak_viewers
 * @property {number} total_viewers visits as a viewer
 * @property {number} unique_viewers
 * @property {number} guests users who came on stage
 * @property {number} participation_rate 0 to 1
 * @property {number} messages
 * @property {Counts} reactions
 * @property {number} gifts
 * @property {number} gift_value
 * @property {number} average_watch_time_s
 *
 * @typedef {object} TimelineEvent
 * @property {number} id grows
 * @property {string} at
 * @property {string} type
 * @property {string | null} actor_user_id null: the server
 * @property {string | null} target_user_id
 * @property {any} data
 *
 * @typedef {object} Welcome
 * @property {"welcome"} type
 * @property {number} protocol
 * @property {Session} session
 * @property {Participant} you
 * @property {Participant[]} participants
 * @property {GuestRequest[]} guest_requests
 * @property {Counts} reactions totals until now
 * @property {ChatMessage[]} messages the latest of the chat, oldest first
 * @property {boolean} more_messages whether there are older ones
 * @property {boolean} resumed
 * @property {string} resume_token
 * @property {number} grace_s
 * @property {RTCIceServer[]} ice_servers
 */

export {};
