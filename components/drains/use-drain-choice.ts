import { parseAsString, useQueryStates } from 'nuqs'

/** What would be drained: `?region=fra` or `?node=fra-1`. */
export const useDrainChoice = () => {
  const [choice, setChoice] = useQueryStates({ region: parseAsString, node: parseAsString })
  const id = choice.region ?? choice.node
  const kind = choice.region ? ('region' as const) : ('node' as const)
  const choose = (value: string) => {
    const [pickedKind, picked] = value.split(':')
    void setChoice({
      region: pickedKind === 'region' ? (picked ?? null) : null,
      node: pickedKind === 'node' ? (picked ?? null) : null,
    })
  }
  return { id, kind, value: id ? `${kind}:${id}` : '', choose }
}
