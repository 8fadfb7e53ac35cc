import ArgumentParser
import Foundation

extension SettingValues {
  /// The values of a command or a group of options that was parsed, else those of the environment.
  ///
  /// An option is a setting if it is one of text, or a switch, and has the name of one. They are found
  /// by reflection, as the parser finds them: so none that it knows can be missing here.
  package init(
    _ options: any ParsableArguments,
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) {
    self.init(flags: Setting.given(in: options), environment: environment)
  }
}

extension Setting {
  /// - Parameter label: of a property with a wrapper: `_redisURL`.
  private init?(label: String) {
    let letters = label.filter { $0 != "_" }.lowercased()
    let setting = Self.allCases.first {
      $0.rawValue.replacingOccurrences(of: "-", with: "") == letters
    }
    guard let setting else { return nil }
    self = setting
  }

  fileprivate static func given(in options: any ParsableArguments) -> [Setting: String] {
    var given: [Setting: String] = [:]
    for child in Mirror(reflecting: options).children {
      if let group = child.value as? any ParsedGroup {
        given.merge(Self.given(in: group.options)) { $1 }
      } else if let option = child.value as? any ParsedOption, let text = option.text,
        let setting = child.label.flatMap(Setting.init(label:))
      {
        given[setting] = text
      }
    }
    return given
  }
}

private protocol ParsedGroup {
  var options: any ParsableArguments { get }
}

extension OptionGroup: ParsedGroup {
  fileprivate var options: any ParsableArguments { self.wrappedValue }
}

private protocol ParsedOption {
  /// Nil if it was not given.
  var text: String? { get }
}

extension Option: ParsedOption where Value == String? {
  fileprivate var text: String? { self.wrappedValue }
}

extension Flag: ParsedOption where Value == Bool {
  fileprivate var text: String? { self.wrappedValue ? "true" : nil }
}
