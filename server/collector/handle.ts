import type { NodeProbeAnswer } from '../contract/answers/node-probe.ts'
import type {
  Actor,
  Annotation,
  AnnotationRequest,
  Drain,
  DrainAction,
  DrainActionRequest,
  DrainCreateRequest,
  DrainPlan,
  DrainPreviewRequest,
  Heartbeats,
  Incident,
  IncidentPatch,
  MaintenanceCreateRequest,
  MaintenanceState,
  MaintenanceWindow,
  Node,
  NodeConnection,
  NodeDetail,
  Notification,
  NotificationChannel,
  NotificationTest,
  Overview,
  Page,
  Region,
  RoomCheck,
  SystemInfo,
  Timeline,
  TimelineItem,
  Tunnel,
} from '../contract/index.ts'
import type { NodeProbeRequest } from '../contract/probe.ts'

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
  /** How the control room itself is doing: what stands still, what waits, what was refused. */
  room(): RoomCheck
  /** Figures of the collector for `/system`. */
  figures(): SystemInfo['collector']
  readonly drains: DrainDesk
  readonly incidents: IncidentDesk
  readonly maintenance: MaintenanceDesk
  readonly notifications: NotificationDesk
}

export interface DrainDesk {
  preview(request: DrainPreviewRequest): Promise<DrainPlan>
  create(request: DrainCreateRequest, actor: Actor): Promise<Drain>
  get(id: string): Promise<Drain | null>
  list(filter: { active?: boolean; region?: string; limit?: number; cursor?: string }): Promise<Page<Drain>>
  act(id: string, action: DrainAction, request: DrainActionRequest, actor: Actor): Promise<Drain>
}

export interface IncidentDesk {
  list(filter: {
    status?: string
    from?: string
    to?: string
    limit?: number
    cursor?: string
  }): Promise<Page<Incident>>
  get(id: string): Promise<Incident | null>
  timeline(
    id: string,
    filter: { limit?: number; cursor?: string; kinds?: string[]; nodes?: string[]; text?: string },
  ): Promise<Timeline>
  export(id: string, format: 'md' | 'json'): Promise<string>
  /** `reason`, here and below, is for the audit. */
  acknowledge(id: string, actor: Actor, reason?: string): Promise<Incident>
  mitigate(id: string, actor: Actor, reason?: string): Promise<Incident>
  resolve(id: string, actor: Actor, reason?: string): Promise<Incident>
  note(id: string, text: string, actor: Actor): Promise<TimelineItem>
  patch(id: string, patch: IncidentPatch, actor: Actor): Promise<Incident>
  annotate(request: AnnotationRequest, actor: Actor): Promise<Annotation>
}

export interface MaintenanceDesk {
  /** The latest beginning first. `from` and `to` (epoch ms) select what overlaps that time. */
  list(filter: {
    status?: MaintenanceState
    from?: number
    to?: number
    limit?: number
    cursor?: string
  }): Promise<Page<MaintenanceWindow>>
  create(request: MaintenanceCreateRequest, actor: Actor): Promise<MaintenanceWindow>
  /** Ends an active window now, and removes a planned one. */
  end(id: string, actor: Actor): Promise<void>
}

export interface ChannelCounts {
  channel: string
  sent: number
  retried: number
  failed: number
  heldBack: number
  waiting: number
  failing: boolean
}

/** What the API may ask of notifications. */
export interface NotificationDesk {
  list(filter: {
    channel?: string
    incident?: string
    state?: string
    limit?: number
    cursor?: string
  }): Promise<Page<Notification>>
  channels(): Promise<NotificationChannel[]>
  /** Rejects with `ERR_NOT_FOUND`, and with `ERR_CONFLICT` where a message is on its way by that channel. */
  test(channel: string, actor: Actor): Promise<NotificationTest>
  /** For metrics. */
  counts(): ChannelCounts[]
}
