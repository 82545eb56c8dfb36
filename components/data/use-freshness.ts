import { useNow } from './clock.ts'
import { type Freshness, freshnessOf } from './freshness.ts'
import { lastAnsweredAt } from './http.ts'
import { useOverview } from './overview.ts'
import { useLiveStatus } from './use-live-status.ts'

/** How far what is on screen can be trusted, looked at once a second. */
export const useFreshness = (): Freshness => {
  const status = useLiveStatus()
  const serverNow = useNow()
  const { data } = useOverview()
  return freshnessOf(status, data, Date.now(), serverNow, lastAnsweredAt())
}
