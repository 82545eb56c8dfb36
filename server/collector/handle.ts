import type { NodeProbeAnswer } from '../contract/answers/node-probe.ts'
import type {
  Actor,
  Heartbeats,
  Node,
  NodeConnection,
  NodeDetail,
  Overview,
  Region,
  RoomCheck,
  SystemInfo,
  Tunnel,
} from '../contract/index.ts'
import type { NodeProbeRequest } from '../contract/probe.ts'
import type { DrainDesk } from './desks/drain-desk.ts'
import type { IncidentDesk } from './desks/incident-desk.ts'
import type { MaintenanceDesk } from './desks/maintenance-desk.ts'
import type { NotificationDesk } from './desks/notification-desk.ts'

/** What the API may ask of the collector. Methods that change something write their audit row first and reject with an `AppError`. */
export interface CollectorHandle {
  overview(): Overview
  /** Recent polls: a strip a region, or a strip a node of one region. */
  heartbeats(region?: string): Heartbeats
  regions(): Region[]
  nodes(): Node[]
  node(id: string): NodeDetail | null
  /** What the node answered last, as parsed and cleaned; null before the first good poll. */
  health(id: string): unknown
  /** Looks at a system that is not watched yet. Rejects with `ERR_INVALID`, `ERR_CAPACITY`, `ERR_NODE_UNREACHABLE`. */
  probe(request: NodeProbeRequest, actor: Actor): Promise<NodeProbeAnswer>
  tunnels(): Tunnel[]
  connections(node: string, limit: number): Promise<{ items: NodeConnection[]; total: number }>
  kickTunnel(hostId: string, reason: string, actor: Actor): Promise<void>
  closeConnection(node: string, id: string, reason: string, actor: Actor): Promise<void>
  invalidatePushSession(node: string, reason: string, actor: Actor): Promise<void>
  /** How the control room itself is doing: what is stuck, what waits, what was refused. */
  room(): RoomCheck
  /** Figures of the collector for `/system`. */
  figures(): SystemInfo['collector']
  readonly drains: DrainDesk
  readonly incidents: IncidentDesk
  readonly maintenance: MaintenanceDesk
  readonly notifications: NotificationDesk
}
