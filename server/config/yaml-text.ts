/** A value as one writes it in YAML, on one line. */
export const yamlOf = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(yamlOf).join(', ')}]`
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).map(([key, part]) => `${key}: ${yamlOf(part)}`)
    return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`
  }
  if (typeof value !== 'string') return String(value)
  const isPlain = /^[\w./$][\w./:${} -]*$/.test(value) && !value.includes(': ') && Number.isNaN(Number(value))
  return isPlain && !/^(?:true|false|null|yes|no|on|off)$/i.test(value) ? value : JSON.stringify(value)
}
