import { describe, expect, it } from 'vitest'
import { paceWords, routeWords } from '../../components/notifications/channel-words.ts'
import type { NotificationChannel } from '../../server/contract/answers/notification.ts'

const channel = (more: Partial<NotificationChannel> = {}): NotificationChannel => ({
  name: 'team',
  kind: 'slack',
  target: 'hooks.slack.com',
  min: 'info',
  regions: null,
  signals: null,
  groupWaitSeconds: 30,
  repeatHours: 4,
  recovery: true,
  state: 'ok',
  failingSince: null,
  lastError: null,
  lastSentAt: null,
  waiting: 0,
  sentLastHour: 0,
  ...more,
})

describe('what a channel is told of, in words', () => {
  it.each<[Partial<NotificationChannel>, string]>([
    [{}, 'Gets all incidents in every region.'],
    [{ min: 'warning', regions: ['fra', 'iad'] }, 'Gets warnings and critical incidents in fra and iad.'],
    [
      { min: 'critical', signals: ['push.*', 'node.down'] },
      'Gets critical incidents in every region, with push.* and node.down.',
    ],
  ])('%j', (more, words) => {
    expect(routeWords(channel(more))).toBe(words)
  })

  it.each<[Partial<NotificationChannel>, string]>([
    [{}, 'After 30\u202fs, again every 4\u202fh while nobody acknowledges, and when it is over.'],
    [
      { groupWaitSeconds: 0, recovery: false },
      'At once, again every 4\u202fh while nobody acknowledges, not when it is over.',
    ],
  ])('and when: %j', (more, words) => {
    expect(paceWords(channel(more))).toBe(words)
  })
})
