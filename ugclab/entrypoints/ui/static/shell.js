// The header: nothing but what plain links already do.
export function mount() {}
