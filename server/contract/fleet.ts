/** What is observed of the fleet: types alone, so that pages import no schema. */
export type { ConnectionList } from './answers/connection.ts'
export type { HeartbeatCell, Heartbeats } from './answers/heartbeats.ts'
export type { Node, NodeDetail, NodeNumbers } from './answers/node.ts'
export type { Overview, VerdictLevel } from './answers/overview.ts'
export type { Region, RegionDetail } from './answers/region.ts'
export type { RoomCheck, RoomProblem } from './answers/room.ts'
export type { Tunnel } from './answers/tunnel.ts'
