"""The invented company: what it sells, through which channels, with which people. Every figure is invented too."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Channel:
    """Where visitors come from, and how good they are. Rates are chances, spend is yen a day."""

    code: str
    visitors: int  # on an ordinary day
    lead_rate: float
    fit: float  # multiplies the chance at every later step
    spend: int
    campaigns: tuple[str, ...]


@dataclass(frozen=True)
class Product:
    code: str
    price_band: str
    mrr: tuple[int, int]  # lowest and highest, in yen


@dataclass(frozen=True)
class Person:
    """A colleague; `skill` multiplies their chances, `slots` are new opportunities a week."""

    id: str
    name: str
    role: str  # as tokens name it
    team: str
    region: str = "関東"
    skill: float = 1.0
    slots: int = 0


CHANNELS = (
    Channel("organic", 130, 0.0036, 1.15, 0, ("blog", "whitepaper")),
    Channel("ads", 150, 0.0032, 0.75, 45_000, ("brand", "competitor", "retargeting")),
    Channel("webinar", 20, 0.0200, 1.10, 12_000, ("hands_on", "case_study")),
    Channel("event", 12, 0.0230, 0.95, 30_000, ("it_expo", "saas_days")),
    Channel("partner", 8, 0.0270, 1.35, 0, ("reseller",)),
)
PRODUCTS = (
    Product("starter", "low", (30_000, 80_000)),
    Product("business", "middle", (80_000, 250_000)),
    Product("enterprise", "high", (250_000, 900_000)),
)
INDUSTRIES = ("manufacturing", "retail", "logistics", "it", "finance", "construction", "healthcare")
SEGMENTS = (("SMB", 0.62), ("MID", 0.26), ("ENT", 0.12))
EMPLOYEES = {"SMB": (12, 99), "MID": (100, 900), "ENT": (1_000, 9_000)}
DEAL_DAYS = {"SMB": 35, "MID": 60, "ENT": 100}
"""How long a deal runs, by segment."""
REGIONS = (("関東", 0.5), ("関西", 0.24), ("中部", 0.14), ("九州", 0.12))
PREFECTURES = {
    "関東": ("東京都", "神奈川県", "埼玉県"),
    "関西": ("大阪府", "兵庫県", "京都府"),
    "中部": ("愛知県", "静岡県"),
    "九州": ("福岡県", "熊本県"),
}
MARKETING = (
    Person("mk-hayashi", "林 沙織", "marketing", "デマンドジェネレーション"),
    Person("mk-ogawa", "小川 大地", "marketing", "コンテンツ"),
)
INSIDE_SALES = (
    Person("is-sato", "佐藤 美咲", "inside_sales", "反響", "関東", 1.10),
    Person("is-tanaka", "田中 翔", "inside_sales", "反響", "関東", 0.95),
    Person("is-ito", "伊藤 彩", "inside_sales", "新規開拓", "関西", 1.00),
)
FIELD_SALES = (
    Person("fs-suzuki", "鈴木 健一", "field_sales", "東日本", "関東", 1.15, 6),
    Person("fs-yamada", "山田 由美", "field_sales", "東日本", "関東", 1.00, 6),
    Person("fs-kobayashi", "小林 大輔", "field_sales", "西日本", "関西", 0.85, 5),
    Person("fs-kato", "加藤 直子", "field_sales", "西日本", "中部", 1.00, 5),
)
CUSTOMER_SUCCESS = (
    Person("cs-nakamura", "中村 恵", "customer_success", "定着支援"),
    Person("cs-yoshida", "吉田 拓", "customer_success", "定着支援", "関西"),
)
PRODUCT = Person("pd-kondo", "近藤 涼", "product", "プロダクト企画")
OPERATIONS = Person("ops-endo", "遠藤 舞", "ops_lead", "営業企画")
FAMILY_NAMES = (
    *(
        "高橋:タカハシ",
        "渡辺:ワタナベ",
        "松本:マツモト",
        "井上:イノウエ",
        "木村:キムラ",
        "清水:シミズ",
        "斎藤:サイトウ",
    ),
    *(
        "阿部:アベ",
        "森:モリ",
        "池田:イケダ",
        "橋本:ハシモト",
        "石川:イシカワ",
        "前田:マエダ",
        "藤田:フジタ",
        "岡田:オカダ",
    ),
)
GIVEN_NAMES = (
    *("陽菜:ヒナ", "蓮:レン", "結衣:ユイ", "悠真:ユウマ", "美月:ミヅキ", "大翔:ヒロト", "葵:アオイ", "樹:イツキ"),
    *("さくら:サクラ", "健太:ケンタ", "真由:マユ", "直樹:ナオキ", "千尋:チヒロ", "剛:ツヨシ"),
)
COMPANY_HEADS = (
    *(
        "青葉",
        "みどり",
        "北斗",
        "東雲",
        "若草",
        "富士見",
        "大和",
        "常盤",
        "千歳",
        "朝日",
        "白鳥",
        "瑞穂",
        "美濃",
        "有明",
    ),
    *("銀河", "日向", "高砂", "立花", "桜木", "春日", "山吹", "琥珀", "清流", "星野", "早苗", "雪谷", "松葉", "汐見"),
)
COMPANY_MIDDLES = ("", "中央", "第一", "新", "総合", "東洋", "共同", "南", "国際", "みらい")
COMPANY_TAILS = (
    *(
        "商事",
        "製作所",
        "システム",
        "物流",
        "建設",
        "フーズ",
        "テック",
        "メディカル",
        "ホールディングス",
        "工業",
        "サービス",
    ),
)
DEPARTMENTS = ("情報システム部", "営業企画部", "経営企画室", "マーケティング部", "総務部")
JOB_TITLES = ("部長", "課長", "主任", "担当", "取締役")
CONTENTS = ("whitepaper_sales_process", "case_manufacturing", "pricing", "demo_video", "checklist_renewal")
SEASON = (0.92, 0.98, 1.18, 1.12, 0.90, 1.02, 1.00, 0.78, 1.10, 1.06, 1.04, 0.86)
"""By month from January: fiscal year ends in March, Golden Week and August are quiet."""
FEATURES = ("pipeline", "reports", "forecast", "mobile", "api")
PROMISES = (
    "契約開始から30日以内に初期設定を終える",
    "月次の定例会を開く",
    "既存の顧客データを移行する",
    "利用者向けの研修を2回行う",
    "帳票出力を次の版で使えるようにする",
)
TICKET_SUBJECTS = ("画面が開かない", "レポートの集計条件", "利用者の追加", "CSV取り込みのエラー", "請求書の宛先変更")
CALL_NOTES = (
    "課題をヒアリング。資料を送付。",
    "検討中。来週再度架電。",
    "上長と相談のうえ折り返し。",
    "現行ツールの更新時期を確認。",
)
