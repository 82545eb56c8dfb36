import type { NotificationKind } from '../../contract/index.ts'
import type { StoredNotification } from '../../store/store.ts'
import { nextId } from './next-id.ts'

/** A message that waits for its first attempt, at `due` (epoch ms, like `now`). `incidentId` null: no incident asks for it. */
export const newRow = (
  { channel, kind, incidentId }: { channel: string; kind: NotificationKind; incidentId: string | null },
  reason: string,
  { now, due }: { now: number; due: number },
): StoredNotification => ({
  id: nextId(now),
  channel,
  kind,
  incidentId,
  reason,
  state: 'waiting',
  attempts: 0,
  nextAttemptAt: Math.trunc(due),
  lastError: null,
  createdAt: Math.trunc(now),
  sentAt: null,
  message: null,
})
