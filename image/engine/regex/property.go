package regex

import (
	"errors"
	"maps"
	"strconv"
	"strings"
	"unicode"
)

var (
	errProperty    = errors.New("Invalid property name")
	errUnsupported = errors.New("Glovebox does not support the property")
)

// lookUp finds the characters of a property as it is written between the braces of \p{…}: a
// General_Category, a Script or Script_Extensions with its value, or a binary property. Names are
// taken as they are, in their own case, as ECMAScript asks.
func lookUp(text string) (runeSet, error) {
	name, value, pair := strings.Cut(text, "=")
	if pair {
		switch name {
		case "General_Category", "gc":
			return category(value)
		case "Script", "sc":
			return script(value)
		case "Script_Extensions", "scx":
			s, err := script(value)
			if err != nil {
				return nil, err
			}
			return extendScript(value, s), nil
		}
		return nil, errProperty
	}
	if s, err := category(text); err == nil {
		return s, nil
	}
	if long, ok := binaryAliases()[text]; ok {
		text = long
	}
	return binary(text)
}

func category(name string) (runeSet, error) {
	if long, ok := unicode.CategoryAliases[name]; ok {
		name = long
	}
	switch name {
	case "C":
		return fromTables(unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs).union(unassigned()), nil
	case "LC":
		return fromTables(unicode.Lu, unicode.Ll, unicode.Lt), nil
	case "Cn":
		return unassigned(), nil
	}
	if t, ok := unicode.Categories[name]; ok {
		return fromTable(t), nil
	}
	return nil, errProperty
}

func unassigned() runeSet {
	return fromTables(unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.L, unicode.M, unicode.N,
		unicode.P, unicode.S, unicode.Z).negate()
}

func longScript(name string) string {
	for line := range strings.Lines(scriptAliases) {
		if short, long, _ := strings.Cut(line, " "); short == name {
			return strings.TrimSuffix(long, "\n")
		}
	}
	return name
}

func script(name string) (runeSet, error) {
	if name == "Qaac" {
		name = "Copt"
	}
	if name == "Qaai" {
		name = "Zinh"
	}
	if name == "Zzzz" || name == "Unknown" {
		var known runeSet
		for t := range maps.Values(unicode.Scripts) {
			known = append(known, fromTable(t)...)
		}
		return normalise(known).negate(), nil
	}
	if t, ok := unicode.Scripts[longScript(name)]; ok {
		return fromTable(t), nil
	}
	return nil, errProperty
}

func extendScript(name string, s runeSet) runeSet {
	long := longScript(name)
	if more, ok := listed(scriptExtensions, "+"+long); ok {
		s = s.union(more)
	}
	if less, ok := listed(scriptExtensions, "-"+long); ok {
		s = s.subtract(less)
	}
	return s
}

// listed reads one line of the generated tables: a name and its ranges in hexadecimal.
func listed(table, name string) (runeSet, bool) {
	for line := range strings.Lines(table) {
		rest, ok := strings.CutPrefix(line, name+" ")
		if !ok {
			continue
		}
		var out runeSet
		for field := range strings.FieldsSeq(rest) {
			lo, hi, isRange := strings.Cut(field, "-")
			if !isRange {
				hi = lo
			}
			// The table is ours: its numbers parse.
			from, _ := strconv.ParseInt(lo, 16, 32)
			to, _ := strconv.ParseInt(hi, 16, 32)
			out = append(out, span{rune(from), rune(to)})
		}
		return out, true
	}
	return nil, false
}

// binaryAliases gives the long name of each binary property of ECMAScript by its short one.
func binaryAliases() map[string]string {
	return map[string]string{
		"AHex": "ASCII_Hex_Digit", "Alpha": "Alphabetic", "Bidi_C": "Bidi_Control", "Bidi_M": "Bidi_Mirrored",
		"CI": "Case_Ignorable", "CWCF": "Changes_When_Casefolded", "CWCM": "Changes_When_Casemapped",
		"CWKCF": "Changes_When_NFKC_Casefolded", "CWL": "Changes_When_Lowercased",
		"CWT": "Changes_When_Titlecased", "CWU": "Changes_When_Uppercased",
		"DI": "Default_Ignorable_Code_Point", "Dep": "Deprecated", "Dia": "Diacritic",
		"EComp": "Emoji_Component", "EMod": "Emoji_Modifier", "EBase": "Emoji_Modifier_Base",
		"EPres": "Emoji_Presentation", "ExtPict": "Extended_Pictographic", "Ext": "Extender",
		"Gr_Base": "Grapheme_Base", "Gr_Ext": "Grapheme_Extend", "Hex": "Hex_Digit",
		"IDSB": "IDS_Binary_Operator", "IDST": "IDS_Trinary_Operator", "IDC": "ID_Continue", "IDS": "ID_Start",
		"Ideo": "Ideographic", "Join_C": "Join_Control", "LOE": "Logical_Order_Exception", "Lower": "Lowercase",
		"NChar": "Noncharacter_Code_Point", "Pat_Syn": "Pattern_Syntax", "Pat_WS": "Pattern_White_Space",
		"QMark": "Quotation_Mark", "RI": "Regional_Indicator", "STerm": "Sentence_Terminal", "SD": "Soft_Dotted",
		"Term": "Terminal_Punctuation", "UIdeo": "Unified_Ideograph", "Upper": "Uppercase",
		"VS": "Variation_Selector", "space": "White_Space", "XIDC": "XID_Continue", "XIDS": "XID_Start",
	}
}

// binary finds a binary property by its long name. The derived ones are put together as
// DerivedCoreProperties of Unicode defines them.
func binary(name string) (runeSet, error) {
	p := unicode.Properties
	switch name {
	case "Any":
		return runeSet{{0, maxRune}}, nil
	case "ASCII":
		return runeSet{{0, 0x7F}}, nil
	case "Assigned":
		return unassigned().negate(), nil
	case "Alphabetic":
		return fromTables(unicode.L, unicode.Nl, p["Other_Alphabetic"]), nil
	case "Lowercase":
		return fromTables(unicode.Ll, p["Other_Lowercase"]), nil
	case "Uppercase":
		return fromTables(unicode.Lu, p["Other_Uppercase"]), nil
	case "Cased":
		return fromTables(unicode.Ll, p["Other_Lowercase"], unicode.Lu, p["Other_Uppercase"], unicode.Lt), nil
	case "Case_Ignorable":
		// The last line is what Word_Break calls MidLetter, MidNumLet and Single_Quote.
		return fromTables(unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk).union(setOf(
			'\'', '.', ':', 0xB7, 0x387, 0x55F, 0x5F4, 0x2018, 0x2019, 0x2024, 0x2027, 0xFE13, 0xFE52, 0xFE55,
			0xFF07, 0xFF0E, 0xFF1A)), nil
	case "Math":
		return fromTables(unicode.Sm, p["Other_Math"]), nil
	case "ID_Start", "XID_Start":
		return idStart(name[0] == 'X'), nil
	case "ID_Continue", "XID_Continue":
		return idContinue(name[0] == 'X'), nil
	case "Grapheme_Extend":
		return graphemeExtend(), nil
	case "Grapheme_Base":
		return fromTables(unicode.Cc, unicode.Cf, unicode.Cs, unicode.Co, unicode.Zl, unicode.Zp).
			union(unassigned()).union(graphemeExtend()).negate(), nil
	case "Default_Ignorable_Code_Point":
		return fromTables(p["Other_Default_Ignorable_Code_Point"], unicode.Cf, p["Variation_Selector"]).
			subtract(fromTables(p["White_Space"], p["Prepended_Concatenation_Mark"])).
			subtract(runeSet{{0xFFF9, 0xFFFB}, {0x13430, 0x13440}}), nil
	case "Changes_When_Casefolded", "Changes_When_Casemapped", "Changes_When_NFKC_Casefolded",
		"Changes_When_Lowercased", "Changes_When_Titlecased", "Changes_When_Uppercased":
		return nil, errUnsupported
	case "Basic_Emoji", "Emoji_Keycap_Sequence", "RGI_Modifier_Sequence", "RGI_Flag_Sequence",
		"RGI_Emoji_Flag_Sequence", "RGI_Emoji_Modifier_Sequence", "RGI_Emoji_Tag_Sequence",
		"RGI_Emoji_ZWJ_Sequence", "RGI_Emoji":
		return nil, errUnsupported
	case "Other_Alphabetic", "Other_Default_Ignorable_Code_Point", "Other_Grapheme_Extend", "Other_ID_Continue",
		"Other_ID_Start", "Other_Lowercase", "Other_Math", "Other_Uppercase", "Hyphen",
		"Prepended_Concatenation_Mark":
		// Go has these, ECMAScript does not.
		return nil, errProperty
	}
	if s, ok := listed(extraProperties, name); ok {
		return s, nil
	}
	if name == "Sentence_Terminal" {
		name = "STerm"
	} else if name == "STerm" {
		return nil, errProperty
	}
	if t, ok := p[name]; ok {
		return fromTable(t), nil
	}
	return nil, errProperty
}

func idStart(x bool) runeSet {
	s := fromTables(unicode.L, unicode.Nl, unicode.Other_ID_Start).
		subtract(fromTables(unicode.Pattern_Syntax, unicode.Pattern_White_Space))
	if x {
		// What would leave the set under NFKC.
		s = s.subtract(runeSet{{0x37A, 0x37A}, {0xE33, 0xE33}, {0xEB3, 0xEB3}, {0x309B, 0x309C}, {0xFC5E, 0xFC63},
			{0xFDFA, 0xFDFB}, {0xFE70, 0xFE70}, {0xFE72, 0xFE72}, {0xFE74, 0xFE74}, {0xFE76, 0xFE76}, {0xFE78, 0xFE78},
			{0xFE7A, 0xFE7A}, {0xFE7C, 0xFE7C}, {0xFE7E, 0xFE7E}, {0xFF9E, 0xFF9F}})
	}
	return s
}

func idContinue(x bool) runeSet {
	s := fromTables(unicode.L, unicode.Nl, unicode.Other_ID_Start, unicode.Mn, unicode.Mc, unicode.Nd, unicode.Pc,
		unicode.Other_ID_Continue).subtract(fromTables(unicode.Pattern_Syntax, unicode.Pattern_White_Space))
	if x {
		s = s.subtract(runeSet{{0x37A, 0x37A}, {0x309B, 0x309C}, {0xFC5E, 0xFC63}, {0xFDFA, 0xFDFB}, {0xFE70, 0xFE70},
			{0xFE72, 0xFE72}, {0xFE74, 0xFE74}, {0xFE76, 0xFE76}, {0xFE78, 0xFE78}, {0xFE7A, 0xFE7A}, {0xFE7C, 0xFE7C},
			{0xFE7E, 0xFE7E}})
	}
	return s
}

func graphemeExtend() runeSet {
	return fromTables(unicode.Me, unicode.Mn, unicode.Properties["Other_Grapheme_Extend"])
}
