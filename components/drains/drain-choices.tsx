import { memo } from 'react'
import type { Overview } from '@/server/contract/fleet.ts'

type Choices = Pick<Overview, 'regions' | 'nodes'>

/** What can be chosen, drawn again only when that changes: an overview comes with every poll, and a fleet may have a thousand nodes. */
export const DrainChoices = memo(
  function DrainChoices({ fleet }: { fleet: Choices | undefined }) {
    return (
      <>
        <optgroup label="Regions">
          {fleet?.regions.map((region) => (
            <option key={region.id} value={`region:${region.id}`}>
              {region.id} · {region.name}
            </option>
          ))}
        </optgroup>
        <optgroup label="Nodes">
          {fleet?.nodes.map((node) => (
            <option key={node.id} value={`node:${node.id}`}>
              {node.id}
            </option>
          ))}
        </optgroup>
      </>
    )
  },
  (before, after) => namesOf(before.fleet) === namesOf(after.fleet),
)

const namesOf = (fleet: Choices | undefined): string =>
  [
    ...(fleet?.regions ?? []).map(({ id, name }) => `${id} ${name}`),
    ...(fleet?.nodes ?? []).map(({ id }) => id),
  ].join('\n')
