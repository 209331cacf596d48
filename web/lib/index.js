/** The browser side of Greenroom without a page: what an application imports. */
export { Api } from "./api.js";
export { ChatLog } from "./chat_log.js";
export { listDevices, openCamera, openCameraAndMicrophone, openMicrophone, openScreen, watchDevices } from "./devices.js";
export { GreenroomError, errorCode } from "./errors.js";
export { join } from "./join.js";
export { JoinToken } from "./join_token.js";
export { KIND_OF, Publisher } from "./publish.js";
export { Receiver } from "./receive.js";
export { Room } from "./room.js";
export { FINAL_CLOSE_CODES, PROTOCOL_VERSION, Signaling } from "./signaling.js";
export { RoomState, isModerator, isOnStage } from "./state.js";
