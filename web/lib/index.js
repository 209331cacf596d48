/**
 * The browser side of Greenroom without a page: what an application imports. docs/LIBRARY.md describes it.
 *
 * @typedef {import("./api.js").Joined} Joined
 * @typedef {import("./api.js").StartOptions} StartOptions
 * @typedef {import("./chat_log.js").ChatLog} ChatLog
 * @typedef {import("./chat_log.js").Draft} Draft
 * @typedef {import("./devices.js").CameraOptions} CameraOptions
 * @typedef {import("./devices.js").Device} Device
 * @typedef {import("./devices.js").Devices} Devices
 * @typedef {import("./devices.js").MicrophoneOptions} MicrophoneOptions
 * @typedef {import("./events.js").RoomEvents} RoomEvents
 * @typedef {import("./quality.js").Grade} Grade
 * @typedef {import("./receive.js").ReceivedTrack} ReceivedTrack
 * @typedef {import("./signaling.js").Status} Status
 * @typedef {import("./signaling.js").StatusDetail} StatusDetail
 * @typedef {import("./state.js").RoomState} RoomState
 * @typedef {import("./statistics_digest.js").RoomStatistics} RoomStatistics
 * @typedef {import("./statistics_digest.js").SourceStatistics} SourceStatistics
 * @typedef {import("./types.js").Ban} Ban
 * @typedef {import("./types.js").CatalogueGift} CatalogueGift
 * @typedef {import("./types.js").ChatMessage} ChatMessage
 * @typedef {import("./types.js").Counts} Counts
 * @typedef {import("./types.js").Gift} Gift
 * @typedef {import("./types.js").GuestRequest} GuestRequest
 * @typedef {import("./types.js").Kind} Kind
 * @typedef {import("./types.js").ManageAction} ManageAction
 * @typedef {import("./types.js").Participant} Participant
 * @typedef {import("./types.js").Role} Role
 * @typedef {import("./types.js").Session} Session
 * @typedef {import("./types.js").SessionSettings} SessionSettings
 * @typedef {import("./types.js").SessionStats} SessionStats
 * @typedef {import("./types.js").SessionType} SessionType
 * @typedef {import("./types.js").Source} Source
 * @typedef {import("./types.js").TimelineEvent} TimelineEvent
 */
export { Api } from "./api.js";
export { askForSpeaker, asksForSpeaker, listDevices, openCamera, openCameraAndMicrophone, openMicrophone, openScreen, watchDevices } from "./devices.js";
export { GreenroomError, errorCode } from "./errors.js";
export { join } from "./join.js";
export { JoinToken, isJoinToken } from "./join_token.js";
export { LevelMeter } from "./level_meter.js";
export { Room } from "./room.js";
export { isModerator, isOnStage } from "./state.js";
