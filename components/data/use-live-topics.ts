import { useContext, useEffect } from 'react'
import { LiveContext } from './live-context.ts'

/** Keeps topics subscribed while the component is on screen. */
export const useLiveTopics = (...topics: string[]): void => {
  const live = useContext(LiveContext)
  const list = topics.join(' ')
  useEffect(() => {
    if (!live || !list) return
    const releases = list.split(' ').map((topic) => live.connection.retain(topic))
    return () => {
      for (const release of releases) release()
    }
  }, [live, list])
}
