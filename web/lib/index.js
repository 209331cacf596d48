/** The browser side of Greenroom without a page: what an application imports. docs/LIBRARY.md describes it. */
export { Api } from "./api.js";
export { listDevices, openCamera, openCameraAndMicrophone, openMicrophone, openScreen, watchDevices } from "./devices.js";
export { GreenroomError, errorCode } from "./errors.js";
export { join } from "./join.js";
export { JoinToken, isJoinToken } from "./join_token.js";
export { LevelMeter } from "./level_meter.js";
export { Room } from "./room.js";
export { isModerator, isOnStage } from "./state.js";
