import type { CollectorHandle } from '../collector/handle.ts'

const SUBJECT = /^\/(nodes|regions|drains|incidents)\/([^/]+)\/?$/

/** Whether the subject of a page exists: false for the page of an unknown node, region, drain or incident. */
export const hasPageSubject = async (
  collector: Pick<CollectorHandle, 'node' | 'regions' | 'drains' | 'incidents'>,
  path: string,
): Promise<boolean> => {
  const [, kind, encoded = ''] = SUBJECT.exec(path) ?? []
  if (kind === undefined || (kind === 'drains' && encoded === 'new')) return true
  const id = decoded(encoded)
  if (id === null) return false
  switch (kind) {
    case 'nodes':
      return collector.node(id) !== null
    case 'regions':
      return collector.regions().some((region) => region.id === id)
    case 'drains':
      return (await collector.drains.get(id)) !== null
    default:
      return (await collector.incidents.get(id)) !== null
  }
}

const decoded = (text: string): string | null => {
  try {
    return decodeURIComponent(text)
  } catch {
    return null // not a well-formed escape, so not the id of anything
  }
}
