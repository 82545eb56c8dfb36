import { z } from 'zod'
import type { RoomCheck } from './fleet.ts'
import type { IsoTime } from './ids.ts'
import { ROLES, type Role } from './states.ts'
import { line } from './text.ts'

export const emailSchema = z.email('must be an e-mail address, for example ana@example.com').max(254)
/** At least 8 characters, as NIST SP 800-63B §5.1.1 asks; length rules beyond that make people write passwords down. */
export const passwordSchema = z.string().min(8, 'must have at least 8 characters').max(128)

export const userCreateSchema = z
  .object({ email: emailSchema, password: passwordSchema, role: z.enum(ROLES) })
  .strict()
export const userPatchSchema = z
  .object({ role: z.enum(ROLES).optional(), password: passwordSchema.optional() })
  .strict()
export const tokenCreateSchema = z
  .object({
    name: line(100),
    role: z.enum(ROLES),
    expiresAt: z.iso.datetime().optional(),
  })
  .strict()
export const setupSchema = z
  .object({ key: z.string().min(1).max(200), email: emailSchema, password: passwordSchema })
  .strict()

export interface User {
  id: string
  email: string
  role: Role
  createdAt: IsoTime
}

export interface ApiToken {
  id: string
  name: string
  role: Role
  createdAt: IsoTime
  expiresAt: IsoTime | null
  lastUsedAt: IsoTime | null
}

export interface AuditRow {
  id: number
  at: IsoTime
  actor: string
  address: string | null
  action: string
  object: string
  before: unknown
  after: unknown
  reason: string | null
}

/** `GET /api/v1/me`: who is signed in. */
export interface Me {
  email: string
  role: Role
  demo: boolean
}

/** `GET /api/v1/system`. */
export interface SystemInfo {
  version: string
  startedAt: IsoTime
  uptimeSeconds: number
  store: {
    ok: boolean
    reason: string | null
    /** On disk, the journal included. */
    bytes: number
    rows: Record<string, number>
    /** The file. */
    path?: string
    /** One sentence: what to do; null while it is well. */
    remedy?: string | null
    /** Since when it is not well. */
    since?: IsoTime | null
    /** What rows and indexes take; freed pages of the file are used again. Null where it cannot be read. */
    usedBytes?: number | null
    /** At the pace of the last hours; null before that can be told. */
    growthBytesPerDay?: number | null
    /** Since when there are events and samples. */
    oldest?: { events: IsoTime | null; samples: IsoTime | null }
    /** Long reads: under way, waiting; refused and given up since the start. */
    reads?: { running: number; waiting: number; refused: number; tooSlow: number }
    /** The last backup by `tidegate backup`. */
    backup?: { at: IsoTime; path: string; bytes: number; durationMs: number } | null
  }
  collector: { latenessP99Ms: number; pollsMissed: number; targets: number; streams: number }
  /** What stands still, what waits, what was refused. */
  room?: RoomCheck
  live: { hub: string; seq: number; subscribers: number; slowClosed: number }
  retention: {
    raw: string
    events?: string
    incidents?: 'forever'
    /** Bytes beyond which the oldest rows go, whatever their age. */
    sizeBytes?: number
    /** When old rows were last removed, how many, and how many of them because of the size. */
    last?: { at: IsoTime; samples: number; events: number; forSize: number } | null
  }
}

/** Who calls, after authentication. */
export interface Actor {
  /** E-mail of the user, or `token:<name>`. */
  name: string
  role: Role
  address: string | null
}
