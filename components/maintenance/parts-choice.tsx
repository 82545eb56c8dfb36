import { memo, type ReactNode, useState } from 'react'
import type { UseFormRegister } from 'react-hook-form'
import type { Overview } from '@/server/contract/fleet.ts'
import { nodesByRegion } from '../data/nodes-by-region.ts'
import { plural } from '../ui/format.ts'
import type { WindowValues } from './window-request.ts'

type Fleet = Pick<Overview, 'regions' | 'nodes'>

/** Beyond this number the nodes of a region are folded away: in a large fleet people choose whole regions. */
const MANY_NODES = 30

/** Every region, and within it its nodes; drawn again only when those change, because an overview comes with every poll. */
export const PartsChoice = memo(
  function PartsChoice({
    fleet,
    asked,
    register,
  }: {
    fleet: Fleet | undefined
    /** The node of the link that led here; it is not folded away. */
    asked: string | null
    register: UseFormRegister<WindowValues>
  }) {
    const field = register('parts')
    const nodesOf = nodesByRegion(fleet?.nodes ?? [])
    return (
      <ul className="ml-6 grid max-h-72 gap-1 overflow-y-auto">
        {fleet?.regions.map(({ id, name }) => {
          const nodes = (nodesOf.get(id) ?? []).map((node) => node.id)
          const list = () => (
            <ul className="ml-6 flex flex-wrap gap-x-5">
              {nodes.map((node) => (
                <li key={node}>
                  <label className="flex min-h-8 items-center gap-2">
                    <input type="checkbox" value={`node:${node}`} {...field} />{' '}
                    <span className="num">{node}</span>
                  </label>
                </li>
              ))}
            </ul>
          )
          return (
            <li key={id}>
              <label className="flex min-h-8 items-center gap-2">
                <input type="checkbox" value={`region:${id}`} {...field} /> {name}{' '}
                <span className="num text-faint">{id}</span>
              </label>
              {nodes.length > MANY_NODES ? (
                <Folded title={plural(nodes.length, 'node')} open={asked !== null && nodes.includes(asked)}>
                  {list}
                </Folded>
              ) : (
                list()
              )}
            </li>
          )
        })}
      </ul>
    )
  },
  (before, after) =>
    before.register === after.register &&
    before.asked === after.asked &&
    namesOf(before.fleet) === namesOf(after.fleet),
)

/** What is folded is drawn when it is opened first, and kept from then on: what is marked in it stays marked. */
function Folded({ title, open, children }: { title: string; open: boolean; children: () => ReactNode }) {
  const [wasOpen, setWasOpen] = useState(open)
  return (
    <details
      className="ml-6"
      open={open}
      onToggle={({ currentTarget }) => currentTarget.open && setWasOpen(true)}
    >
      <summary className="min-h-8 text-soft">{title}</summary>
      {wasOpen && children()}
    </details>
  )
}

const namesOf = (fleet: Fleet | undefined): string =>
  [
    ...(fleet?.regions ?? []).map(({ id, name }) => `${id} ${name}`),
    ...(fleet?.nodes ?? []).map(({ id, region }) => `${id} ${region}`),
  ].join('\n')
