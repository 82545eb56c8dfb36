import { controlClass } from './control-class.ts'

/** Above a list: text to look for, to which the key `/` leads, and one of the states. Null is nothing to look for, and all states. */
export function ListFilter<State extends string>({
  label,
  placeholder,
  text,
  onText,
  state,
  states,
  onState,
}: {
  label: string
  placeholder: string
  text: string
  onText: (text: string | null) => void
  state: State | null
  /** Each with its word. */
  states: readonly (readonly [State, string])[]
  onState: (state: State | null) => void
}) {
  return (
    <div className="grid grid-cols-[1fr_auto] gap-2 sm:flex">
      <input
        data-filter
        type="search"
        aria-label={label}
        placeholder={`${placeholder}  /`}
        className={`${controlClass} sm:w-80`}
        value={text}
        onChange={(event) => onText(event.target.value || null)}
      />
      <select
        aria-label="State"
        className={`${controlClass} w-36!`}
        value={state ?? ''}
        onChange={(event) => onState(states.find(([value]) => value === event.target.value)?.[0] ?? null)}
      >
        <option value="">All states</option>
        {states.map(([value, word]) => (
          <option key={value} value={value}>
            {word}
          </option>
        ))}
      </select>
    </div>
  )
}
