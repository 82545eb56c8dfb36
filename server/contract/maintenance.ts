import { z } from 'zod'
import type { MaintenanceWindow } from './answers/maintenance.ts'
import { line, plainLine } from './text.ts'
import { listWords } from './words.ts'

export type { HeldBack, MaintenanceMark, MaintenanceState, MaintenanceWindow } from './answers/maintenance.ts'

const DAY_MS = 24 * 3_600_000
/** A window is at most so long, in ms: who needs more wants another configuration. */
export const MAX_WINDOW_MS = 30 * DAY_MS
/** And ends at most so far from now, in ms. */
export const MAX_WINDOW_AHEAD_MS = 366 * DAY_MS
/** Windows that are planned or active at a time. */
export const MAX_OPEN_WINDOWS = 200
/** With those that ended within a day: all of them are in memory, because their ends explain what is noticed later. */
export const MAX_KNOWN_WINDOWS = 2_000

const time = z.iso.datetime('must be an ISO 8601 time, for example 2026-04-27T18:00:00Z')
const names = z.array(z.string().max(63).overwrite(plainLine))

export const maintenanceCreateSchema = z
  .strictObject({
    title: line(200).describe('What is done, in a few words'),
    from: time.describe('When it begins'),
    to: time.describe('When it ends: at most 30 days after `from`, and at most 366 days from now'),
    regions: names.max(100).describe('Ids of the regions that it covers').optional(),
    nodes: names
      .max(1_000)
      .describe('Ids of the nodes that it covers; without regions and nodes it covers the whole fleet')
      .optional(),
    reason: line(500).describe('Why, for the audit and the timeline'),
  })
  .superRefine(({ from, to }, issues) => {
    const lengthMs = Date.parse(to) - Date.parse(from)
    const problem =
      lengthMs <= 0
        ? `is ${to}, which is not after from (${from})`
        : lengthMs > MAX_WINDOW_MS
          ? `is more than ${MAX_WINDOW_MS / DAY_MS} days after from`
          : null
    if (problem !== null) issues.addIssue({ code: 'custom', path: ['to'], message: problem })
  })
  .meta({
    description: 'A maintenance window',
    examples: [
      {
        title: 'Kernel updates',
        from: '2026-04-27T18:00:00Z',
        to: '2026-04-27T20:00:00Z',
        regions: ['fra'],
        reason: 'CHG-4711',
      },
    ],
  })
export type MaintenanceCreateRequest = z.infer<typeof maintenanceCreateSchema>

type Scope = Pick<MaintenanceWindow, 'regions' | 'nodes'>

/** A window without regions and nodes is of everything there is, also of what comes while it lasts. */
export const isWholeFleet = ({ regions, nodes }: Scope): boolean => regions.length + nodes.length === 0

/** `fra, iad-1`, or `the whole fleet`: what a window is of. */
export const maintenanceSubject = (window: Scope): string =>
  isWholeFleet(window) ? 'the whole fleet' : listWords([...window.regions, ...window.nodes], 6)

/** Whether a window covers a region as a whole. */
export const coversRegion = (window: Scope, region: string): boolean =>
  isWholeFleet(window) || window.regions.includes(region)
