// The classes that the embedded model is pretrained on: letters and signs, and no digits.

/** Letters whose small form is the large one once size is taken away: one class for both. */
const sameInBothCases = "CKOPSUVWXYZ";

const latinLarge = "ABDEFGHJLMNQRT";
const latinSmall = "abdefghijmnqrt";
const greek = "αβγδεζηθλμξπρστφχψωΓΔΘΛΞΠΣΦΨΩ";
const cyrillic = "бджийлфцчшъыэюяБДЖИЛЦЧШЫЭЮЯ";
const signs = "!?&@#$%*+=<>/\\()[]{}~^§¶;€£¥©";
const maths = "∫√∞≈≠≤≥∂±÷∀∃∈⊂∪⊕";
const arrows = "←↑→↓↔↕";

/** Each class: its name, and the characters that are drawn for it. */
export const alphabet = [
  ...[...sameInBothCases].map((letter) => ({ name: letter, characters: [letter, letter.toLowerCase()] })),
  { name: "I", characters: ["I", "l", "|"] },
  ...[...latinLarge, ...latinSmall, ...greek, ...cyrillic, ...signs, ...maths, ...arrows].map(
    (character) => ({
      name: character,
      characters: [character],
    }),
  ),
];
