import type { NotificationChannel } from '@/server/contract/answers/notification.ts'
import { listWords } from '@/server/contract/words.ts'

export const KIND_WORDS: Readonly<Record<NotificationChannel['kind'], string>> = {
  webhook: 'Webhook',
  slack: 'Slack',
  email: 'E-mail',
  ntfy: 'ntfy',
  pagerduty: 'PagerDuty',
}

const SEVERITY_WORDS = {
  info: 'all incidents',
  warning: 'warnings and critical incidents',
  critical: 'critical incidents',
} as const

/** What is sent to a channel, as a sentence. */
export const routeWords = ({ min, regions, signals }: NotificationChannel): string => {
  const where = regions === null ? 'in every region' : `in ${listWords(regions)}`
  const what = signals === null ? '' : `, with ${listWords(signals)}`
  return `Gets ${SEVERITY_WORDS[min]} ${where}${what}.`
}

const hours = (count: number): string => `${count}\u202fh`

/** When it is sent, as a sentence. */
export const paceWords = ({ groupWaitSeconds, repeatHours, recovery }: NotificationChannel): string => {
  const wait = groupWaitSeconds === 0 ? 'At once' : `After ${groupWaitSeconds}\u202fs`
  const end = recovery ? 'and when it is over' : 'not when it is over'
  return `${wait}, again every ${hours(repeatHours)} while nobody acknowledges, ${end}.`
}
